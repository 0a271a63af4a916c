//! `recgrela.txt` beside this crate is the public API of the engine, one item a line. Its test
//! fails when the API is another one, so that no change of it goes unseen.
