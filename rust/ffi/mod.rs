//! The C boundary: every exported `lyger_*` function and nothing else.
