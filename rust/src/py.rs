//! The Python module: converts, releases the interpreter while the algorithms run, maps errors.

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::Pair;

/// The merges (merges, 2) uint32 of exact byte-pair encoding over uint8 sequences of symbols 0 to 25.
///
/// At most `num_merges`, fewer where no pair is left that stands `min_count` times. Pairs are counted within
/// sequences, overlapping; ties go to the smaller (left, right) pair; the same for any number of threads.
#[pyfunction]
#[pyo3(signature = (sequences, *, num_merges, min_count=2, threads=1))]
fn train<'py>(
    py: Python<'py>,
    sequences: Vec<PyReadonlyArray1<'py, u8>>,
    num_merges: usize,
    min_count: u64,
    threads: usize,
) -> PyResult<Bound<'py, PyArray2<u32>>> {
    let slices = slices(&sequences)?;
    let merges = py
        .detach(|| crate::train::train(&slices, num_merges, min_count, threads))
        .map_err(PyValueError::new_err)?;
    let flat: Vec<u32> = merges.iter().flat_map(|&(a, b)| [a, b]).collect();
    let table = Array2::from_shape_vec((merges.len(), 2), flat);
    Ok(table.map_err(|error| PyValueError::new_err(error.to_string()))?.into_pyarray(py))
}

/// Encodes sequences of symbols with a table of merges (merges, 2) uint32; merge k makes id 26 + k.
#[pyclass(frozen)]
struct Encoder(crate::encode::Encoder);

#[pymethods]
impl Encoder {
    #[new]
    fn new(merges: PyReadonlyArray2<'_, u32>) -> PyResult<Self> {
        let table = merges.as_array();
        if table.ncols() != 2 {
            return Err(PyValueError::new_err(format!(
                "merges has {} columns; needs 2 (left, right)",
                table.ncols()
            )));
        }
        let pairs: Vec<Pair> = table.rows().into_iter().map(|row| (row[0], row[1])).collect();
        let encoder = crate::encode::Encoder::new(&pairs).map_err(PyValueError::new_err)?;
        Ok(Self(encoder))
    }

    /// The uint32 token ids of each uint8 sequence, as applying the merges in order gives them.
    #[pyo3(signature = (sequences, *, threads=1))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        sequences: Vec<PyReadonlyArray1<'py, u8>>,
        threads: usize,
    ) -> PyResult<Vec<Bound<'py, PyArray1<u32>>>> {
        let slices = slices(&sequences)?;
        let ids = py.detach(|| self.0.encode(&slices, threads)).map_err(PyValueError::new_err)?;
        Ok(ids.into_iter().map(|ids| ids.into_pyarray(py)).collect())
    }
}

fn slices<'a>(sequences: &'a [PyReadonlyArray1<'_, u8>]) -> PyResult<Vec<&'a [u8]>> {
    sequences
        .iter()
        .map(|sequence| {
            sequence.as_slice().map_err(|_| PyValueError::new_err("sequences must be contiguous arrays"))
        })
        .collect()
}

#[pymodule]
fn ecg_byte(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(train, module)?)?;
    module.add_class::<Encoder>()
}
