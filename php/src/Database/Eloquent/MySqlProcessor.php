<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\Query\Processors\MySqlProcessor as Processor;

/** @internal */
final class MySqlProcessor extends Processor
{
    use GeneratesIds;
}
