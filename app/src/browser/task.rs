use std::pin::Pin;

/// Runs a future beside everything else. All futures of the page go in as one type: the code that drives one would
/// else be in the module once for each.
pub(crate) fn spawn_local(future: impl Future<Output = ()> + 'static) {
    let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
    wasm_bindgen_futures::spawn_local(future);
}
