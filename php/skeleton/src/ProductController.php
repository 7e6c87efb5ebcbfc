<?php

declare(strict_types=1);

namespace Shop;

use Lyger\Database\Db;
use Lyger\Http\HttpException;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Routing\Route;

final class ProductController
{
    private const PAGE_MAX = 1000;
    private const SIMILAR = 5;

    public function __construct(private readonly Db $db)
    {
    }

    /** The rows go from the database to the client without becoming PHP values. */
    public function index(Request $request): Response
    {
        $limit = min(max((int) $request->query('limit', '100'), 1), self::PAGE_MAX);
        $offset = max((int) $request->query('offset', '0'), 0);

        return $this->db->respond('SELECT * FROM products ORDER BY id LIMIT ? OFFSET ?', [$limit, $offset]);
    }

    /** A path like /products/seven is 404 by itself: $id is an int. */
    public function show(int $id): Response
    {
        $product = $this->db->row(
            'SELECT p.*, c.name AS category FROM products p JOIN categories c ON c.id = p.category_id WHERE p.id = ?',
            [$id],
        );

        return Response::json($product ?? throw HttpException::notFound("There is no product $id."));
    }

    /** Products like this one, the most alike first, and how alike they are. */
    public function similar(int $id, SimilarProducts $similar): Response
    {
        if ($this->db->row('SELECT id FROM products WHERE id = ?', [$id]) === null) {
            throw HttpException::notFound("There is no product $id.");
        }

        return $similar->to($id, self::SIMILAR)->respond(
            $this->db,
            'SELECT p.id, p.name, p.price, m.score FROM matches m JOIN products p ON p.id = m.id ORDER BY m.place',
        );
    }

    public function create(Request $request): Response
    {
        $name = $request->input('name');
        $price = $request->input('price');
        $category = $request->input('category_id', 1);
        $description = $request->input('description', '');
        $isText = is_string($name) && $name !== '' && is_string($description)
            && mb_check_encoding($name . $description, 'UTF-8');
        // 1e999 is numeric, and infinite.
        if (!$isText || !is_numeric($price) || !is_finite((float) $price) || !is_numeric($category)) {
            throw HttpException::of(422, 'A product needs a name, a price, and a category_id that is a number.');
        }
        if ($this->db->row('SELECT id FROM categories WHERE id = ?', [(int) $category]) === null) {
            throw HttpException::of(422, "There is no category $category.");
        }
        [$product] = $this->db->query(
            'INSERT INTO products (category_id, name, price, description, active, created_at)
             VALUES (?, ?, ?, ?, ?, ?) RETURNING id, name, price',
            [(int) $category, $name, (float) $price, $description, true, gmdate('Y-m-d H:i:s')],
        );

        return Response::json($product, 201, ['Location' => Route::url('product', ['id' => $product['id']])]);
    }
}
