"""Record -> Segment: filters, resampling, windows, quality, and the store, splits and audit made of them."""
