<?php

declare(strict_types=1);

use Lyger\Database\Db;

require_once __DIR__ . '/../http/products.php';

/** One database with the benches' tables: Lyger's way to it, and PDO's. */
final class Place
{
    public const PRODUCTS = 2_000;
    /** Columns by name: an asterisk would make nothing faster or slower, but tables differ. */
    public const COLUMNS = 'id, name, price, description, active, created_at';
    public const ONE = 'SELECT ' . self::COLUMNS . ' FROM products WHERE id = ?';
    public const MANY = 'SELECT ' . self::COLUMNS . ' FROM products WHERE id >= ? ORDER BY id LIMIT ?';
    public const MANY_IDS = 'SELECT id FROM products WHERE id >= ? ORDER BY id LIMIT ?';
    public const ALL = 'SELECT ' . self::COLUMNS . ' FROM many_products';
    public const MANY_ROWS = 1_000;
    public const ALL_ROWS = 100_000;

    public readonly Db $db;
    public readonly PDO $pdo;
    /** @var array<string, PDOStatement> by text */
    private array $prepared = [];

    private function __construct(public readonly string $name, public readonly string $dsn)
    {
        $this->db = Db::connect($dsn);
        $this->pdo = self::pdo($dsn);
        fillProducts($this->pdo, self::PRODUCTS);
    }

    /** @return array<string, self> */
    public static function all(): array
    {
        $places = [];
        foreach ([
            'PostgreSQL' => (string) getenv('LYGER_TEST_POSTGRES'),
            'MariaDB' => (string) getenv('LYGER_TEST_MYSQL'),
            'SQLite' => 'sqlite:' . getenv('LYGER_BENCH_SQLITE'),
        ] as $name => $dsn) {
            $places[$name] = new self($name, $dsn);
        }
        $places['PostgreSQL']->pdo->exec(sprintf(
            'CREATE TABLE many_products AS SELECT id + %1$d * n AS id, name, price, description, active, created_at
             FROM products CROSS JOIN generate_series(0, %2$d) AS n',
            self::PRODUCTS,
            self::ALL_ROWS / self::PRODUCTS - 1,
        ));
        $places['PostgreSQL']->pdo->exec('VACUUM ANALYZE many_products');
        return $places;
    }

    /** PDO as it is fastest: statements prepared on the server, native types where the driver has them. */
    public static function pdo(string $dsn): PDO
    {
        $options = [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => false];
        if (str_starts_with($dsn, 'sqlite:')) {
            return new PDO($dsn, null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
        }
        $url = parse_url($dsn);
        $driver = $url['scheme'] === 'mysql' ? 'mysql' : 'pgsql';
        $name = ltrim($url['path'], '/') . ($driver === 'mysql' ? ';charset=utf8mb4' : '');
        $words = "$driver:host={$url['host']};port={$url['port']};dbname=$name";
        return new PDO($words, rawurldecode($url['user']), rawurldecode($url['pass']), $options);
    }

    /** What ext-pgsql connects with. */
    public function words(): string
    {
        $url = parse_url($this->dsn);
        $quote = static fn (string $value): string => "'" . addcslashes(rawurldecode($value), "'\\") . "'";
        return "host={$url['host']} port={$url['port']} dbname=" . ltrim($url['path'], '/')
            . " user={$quote($url['user'])} password={$quote($url['pass'])}";
    }

    /**
     * The rows by PDO, its statement prepared once.
     *
     * @param list<int> $params
     * @return list<array<string, mixed>>
     */
    public function fetchAll(string $sql, array $params): array
    {
        return $this->executed($sql, $params)->fetchAll(PDO::FETCH_ASSOC);
    }

    /** @param list<int> $params */
    public function executed(string $sql, array $params): PDOStatement
    {
        $statement = $this->prepared[$sql] ??= $this->pdo->prepare($sql);
        foreach ($params as $index => $value) {
            $statement->bindValue($index + 1, $value, PDO::PARAM_INT);
        }
        $statement->execute();
        return $statement;
    }
}
