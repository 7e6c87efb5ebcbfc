<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Config;

/** Bounds on time and memory, under the names that they have in the configuration (db.*). */
final class Limits
{
    public function __construct(
        public readonly int $acquireTimeoutMs = 3_000,
        public readonly int $statementTimeoutMs = 30_000,
        public readonly int $resultBytesMax = 67_108_864,
    ) {
    }

    public static function of(Config $config): self
    {
        return new self(
            $config->int('db.acquire_timeout_ms'),
            $config->int('db.statement_timeout_ms'),
            $config->int('db.result_bytes_max'),
        );
    }
}
