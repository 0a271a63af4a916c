//! The Python module `recgrela._core`: converts, releases the GIL, calls the engine, maps errors.

mod arrays;
mod catalog;
mod constructor;
mod convert;
mod dicts;
mod events;
mod fleet;
mod options;
mod pickle;
mod scorer;
mod sequence;
mod top_k;
mod turns;
mod users;

use pyo3::prelude::*;

/// The engine of recgrela; start with `from recgrela import EdgeScorer`.
#[pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::arrays::TopKArrays;
    #[pymodule_export]
    use super::catalog::Catalog;
    #[pymodule_export]
    use super::fleet::Fleet;
    #[pymodule_export]
    use super::pickle::_unpickle;
    #[pymodule_export]
    use super::scorer::EdgeScorer;
    #[pymodule_export]
    use super::top_k::TopK;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
