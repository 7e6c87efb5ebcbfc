<?php

declare(strict_types=1);

namespace Lyger\Database;

/**
 * Raw bytes as a parameter: bound as BLOB, BYTEA or BINARY, where a plain string is bound as text and has to be UTF-8.
 *
 *     $db->execute('INSERT INTO photos (jpeg) VALUES (?)', [new Bytes($jpeg)]);
 */
final class Bytes
{
    public function __construct(public readonly string $bytes)
    {
    }
}
