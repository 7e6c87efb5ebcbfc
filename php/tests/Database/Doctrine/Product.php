<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Doctrine;

use DateTimeImmutable;
use Doctrine\ORM\Mapping as ORM;

#[ORM\Entity]
#[ORM\Table(name: 'lyger_orm_products')]
class Product
{
    #[ORM\Id, ORM\GeneratedValue, ORM\Column(type: 'integer')]
    public ?int $id = null;

    #[ORM\ManyToOne(targetEntity: self::class)]
    public ?Product $partOf = null;

    public function __construct(
        #[ORM\Column(type: 'string', length: 50)]
        public string $name,
        #[ORM\Column(type: 'decimal', precision: 8, scale: 2)]
        public string $price,
        #[ORM\Column(type: 'boolean')]
        public bool $isSold,
        #[ORM\Column(type: 'datetime_immutable')]
        public DateTimeImmutable $at,
        #[ORM\Column(type: 'json')]
        public array $tags,
    ) {
    }
}
