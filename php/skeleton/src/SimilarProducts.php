<?php

declare(strict_types=1);

namespace Shop;

use Lyger\Database\Db;
use Lyger\Vector\Index;
use Lyger\Vector\Matches;

/** Which products are alike. Each worker reads the vectors when it is first asked. */
final class SimilarProducts
{
    /** Of a vector: see database/create.php. */
    private const ELEMENTS = 30;

    private ?Index $index = null;

    public function __construct(private readonly Db $db)
    {
    }

    /** The nearest first; none for a product that has no vector. */
    public function to(int $id, int $count): Matches
    {
        $index = $this->index ??= $this->load();

        return $index->has($id) ? $index->similarTo($id, $count) : new Matches([]);
    }

    private function load(): Index
    {
        $index = Index::of(self::ELEMENTS);
        $index->addFrom($this->db, 'SELECT product_id, vector FROM embeddings');

        return $index;
    }
}
