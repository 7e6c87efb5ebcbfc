<?php

/**
 * Makes the shop's SQLite database, the same one every time: 8 categories, 1,000 products.
 *
 *     php database/create.php [file]
 */

declare(strict_types=1);

use Lyger\Database\Bytes;
use Lyger\Database\Db;

$composer = dirname(__DIR__) . '/vendor/autoload.php';
require is_file($composer) ? $composer : dirname(__DIR__, 2) . '/autoload.php';

const CATEGORIES = ['Bücher', 'Garden', 'Kitchen', 'Music', 'Office', 'Outdoor', 'Toys', '文房具'];
const ADJECTIVES = ['Small', 'Quiet', 'Blue', 'Sturdy', 'Folding', 'Bright', 'Old', 'Electric', 'Woven', 'Crème'];
const NOUNS = ['Lamp', 'Kettle', 'Notebook', 'Chair', 'Guitar', 'Tent', 'Puzzle', 'Shovel', 'Clock', '茶碗', 'Müsli'];
const SENTENCES = [
    'They call it "the good one".',
    "Fits every\nshelf.",
    'Tab	separated, back\\slashed, and it\'s fine.',
    'Für drinnen & draußen – très pratique 🦀',
    '100 % recycled <wood>.',
];

$file = $argv[1] ?? __DIR__ . '/shop.sqlite';
foreach (['', '-journal', '-wal', '-shm'] as $suffix) {
    if (is_file("$file.new$suffix")) {
        unlink("$file.new$suffix");
    }
}

// Under another name until it is whole: nobody takes half a database for the shop.
$db = Db::connect("sqlite:$file.new");
$db->execute('CREATE TABLE categories (id INTEGER PRIMARY KEY, name TEXT NOT NULL)');
$db->execute(
    'CREATE TABLE products (
        id INTEGER PRIMARY KEY,
        category_id INTEGER NOT NULL REFERENCES categories (id),
        name TEXT NOT NULL,
        price REAL NOT NULL,
        description TEXT NOT NULL,
        active BOOLEAN NOT NULL,
        created_at DATETIME NOT NULL
    )'
);
$db->execute('CREATE INDEX products_by_category ON products (category_id)');
$db->execute(
    'CREATE TABLE embeddings (product_id INTEGER PRIMARY KEY REFERENCES products (id), vector BLOB NOT NULL)'
);

$insert = static function (string $table, array $rows) use ($db): void {
    $row = '(' . implode(', ', array_fill(0, count($rows[0]), '?')) . ')';
    $values = implode(', ', array_fill(0, count($rows), $row));
    $db->execute("INSERT INTO $table VALUES $values", array_merge(...$rows));
};

$insert('categories', array_map(null, range(1, count(CATEGORIES)), CATEGORIES));

$products = [];
for ($id = 1; $id <= 1000; $id++) {
    $products[] = [
        $id,
        $id * 7 % count(CATEGORIES) + 1,
        ADJECTIVES[$id % count(ADJECTIVES)] . ' ' . NOUNS[$id % count(NOUNS)] . " No. $id",
        ($id * 7919 % 19_900 + 99) / 100,
        SENTENCES[$id % count(SENTENCES)] . ' ' . SENTENCES[$id * 3 % count(SENTENCES)],
        $id % 10 !== 0,
        gmdate('Y-m-d H:i:s', 1_704_067_200 + $id * 31_337),
    ];
}
foreach (array_chunk($products, 250) as $chunk) {
    $insert('products', $chunk);
}

// A model would read the texts; this takes the words and the price apart. What matters more has the greater weight.
$embedding = static function (array $product): Bytes {
    [$id, $category, , $price] = $product;
    $vector = array_fill(0, count(CATEGORIES) + count(ADJECTIVES) + count(NOUNS) + 1, 0.0);
    $vector[$category - 1] = 1.0;
    $vector[count(CATEGORIES) + $id % count(ADJECTIVES)] = 0.5;
    $vector[count(CATEGORIES) + count(ADJECTIVES) + $id % count(NOUNS)] = 2.0;
    $vector[count($vector) - 1] = $price / 100;
    return new Bytes(pack('g*', ...$vector));
};
foreach (array_chunk($products, 250) as $chunk) {
    $insert('embeddings', array_map(static fn (array $product) => [$product[0], $embedding($product)], $chunk));
}

rename("$file.new", $file);
echo "$file holds ", count(CATEGORIES), ' categories and ', count($products), " products.\n";
