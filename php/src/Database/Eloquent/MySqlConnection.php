<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\MySqlConnection as Dialect;

/** Eloquent on MySQL and MariaDB. Affected rows are those that an UPDATE found, whether it changed them or not. */
final class MySqlConnection extends Dialect implements Connection
{
    use RunsOnEngine;

    private ?bool $isMaria = null;

    public function isMaria()
    {
        return $this->isMaria ??= str_contains($this->getServerVersion(), 'MariaDB');
    }

    protected function getDefaultPostProcessor()
    {
        return new MySqlProcessor();
    }
}
