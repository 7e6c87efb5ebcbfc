<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\Query\Processors\SQLiteProcessor as Processor;

/** @internal */
final class SqliteProcessor extends Processor
{
    use GeneratesIds;
}
