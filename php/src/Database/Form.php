<?php

declare(strict_types=1);

namespace Lyger\Database;

/** What is wanted of a statement's rows; the numbers are those of lyger_db_fetch() (rust/ffi/fetch.rs). */
enum Form: int
{
    /** a list of associative arrays */
    case Rows = 0;
    /** the same with at most one of them */
    case FirstRow = 1;
    /** a list of values, the first column's */
    case FirstColumn = 2;
    /** text */
    case Json = 3;
    /** the same, of which only the first is wanted; to the engine it is FirstColumn */
    case FirstValue = 4;
}
