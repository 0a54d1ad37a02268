"""Results a person looks at: pictures of ECGs with what was asked and answered."""
