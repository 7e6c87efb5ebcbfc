//! The promises of the C boundary: the headers are those of the source, the library exports what they declare and
//! nothing else, and misuse from C is a status and never a crash. PHP's half is `php/tests/Abi/MisuseTest.php`.

mod header;
mod library;
mod misuse;
mod source;
