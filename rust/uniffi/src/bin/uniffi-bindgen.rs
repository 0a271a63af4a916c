//! Writes the Kotlin or Swift sources of a built library: `uniffi-bindgen generate --help`.

fn main() {
    uniffi::uniffi_bindgen_main();
}
