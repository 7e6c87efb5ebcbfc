<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

final class Product
{
    public ?float $price = null;
    private string $secret = '';

    public function __construct(
        public readonly int $id,
        public readonly string $name,
        public readonly string $note = 'none',
    ) {
    }

    public function secret(): string
    {
        return $this->secret;
    }
}
