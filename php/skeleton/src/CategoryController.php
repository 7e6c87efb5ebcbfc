<?php

declare(strict_types=1);

namespace Shop;

use Lyger\Database\Db;
use Lyger\Http\Response;

final class CategoryController
{
    public function __construct(private readonly Db $db)
    {
    }

    public function index(): Response
    {
        return $this->db->respond(
            'SELECT c.id, c.name, COUNT(p.id) AS products
             FROM categories c LEFT JOIN products p ON p.category_id = c.id
             GROUP BY c.id, c.name ORDER BY c.id',
        );
    }

    public function products(int $id): Response
    {
        return $this->db->respond('SELECT id, name, price FROM products WHERE category_id = ? ORDER BY id', [$id]);
    }
}
