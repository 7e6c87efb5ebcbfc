<?php

declare(strict_types=1);

namespace Lyger\Tests\Console;

use Lyger\Tests\Server\ServerTestCase;
use Lyger\Tests\Support\ServerProcess;

/** The example shop, as a person meets it. */
final class ShopTest extends ServerTestCase
{
    /** Each was once answered by 500, or by 201 and a broken row. */
    private const UNFIT = ['{"name":"x","price":"1e999"}', '{"name":"x","price":1,"description":["a"]}'];

    private const SKELETON = __DIR__ . '/../../skeleton';

    private static string $database;
    private static ServerProcess $shop;

    public static function setUpBeforeClass(): void
    {
        self::$database = (string) tempnam(sys_get_temp_dir(), 'shop');
        exec(PHP_BINARY . ' ' . self::SKELETON . '/database/create.php ' . self::$database, $output, $code);
        self::assertSame(0, $code, implode("\n", $output));
        self::$shop = ServerProcess::script(
            [self::SKELETON . '/rawr', 'serve', '--port=0'],
            ['SHOP_DSN' => 'sqlite:' . self::$database],
        );
    }

    public static function tearDownAfterClass(): void
    {
        self::$shop->stop();
        array_map(unlink(...), glob(self::$database . '*') ?: []);
    }

    public function test_it_has_a_thousand_products_in_categories(): void
    {
        $products = self::$shop->ask('GET', '/products?limit=1000')->json();
        self::assertCount(1000, $products);
        $columns = ['id', 'category_id', 'name', 'price', 'description', 'active', 'created_at'];
        self::assertSame($columns, array_keys($products[0]));
        self::assertIsFloat($products[0]['price']);
        self::assertSame([true, false], [$products[0]['active'], $products[9]['active']]);
        self::assertMatchesRegularExpression('/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/', $products[0]['created_at']);
        $text = implode('', array_column($products, 'description'));
        foreach (['"', "\n", '\\', 'ü', '🦀'] as $sign) {
            self::assertStringContainsString($sign, $text);
        }
        $categories = self::$shop->ask('GET', '/categories')->json();
        self::assertSame(1000, array_sum(array_column($categories, 'products')));
        $first = self::$shop->ask('GET', '/categories/1/products')->json();
        self::assertCount($categories[0]['products'], $first);
    }

    public function test_it_is_the_same_database_every_time(): void
    {
        $other = self::$database . '-again';
        exec(PHP_BINARY . ' ' . self::SKELETON . "/database/create.php $other");
        self::assertFileEquals(self::$database, $other);
    }

    public function test_its_routes_answer(): void
    {
        self::assertSame('{"hello":"Wörld"}', self::$shop->ask('GET', '/hello/W%C3%B6rld')->body);
        $product = self::$shop->ask('GET', '/products/1')->json();
        self::assertSame([1, 'Quiet Kettle No. 1'], [$product['id'], $product['name']]);
        self::assertCount(3, self::$shop->ask('GET', '/products?limit=3&offset=5')->json());
        self::assertSame(404, self::$shop->ask('GET', '/products/0')->status);
        self::assertSame(404, self::$shop->ask('GET', '/products/seven')->status);
        self::assertSame(405, self::$shop->ask('DELETE', '/products/1')->status);
    }

    public function test_products_are_similar_to_a_product(): void
    {
        $similar = self::$shop->ask('GET', '/products/1/similar');
        self::assertSame([200, 'application/json'], [$similar->status, $similar->header('content-type')]);
        $products = $similar->json();
        self::assertCount(5, $products);
        self::assertSame(['id', 'name', 'price', 'score'], array_keys($products[0]));
        self::assertNotContains(1, array_column($products, 'id'));
        foreach ($products as $product) {
            self::assertStringContainsString('Kettle', $product['name']); // as number 1 is
        }
        $scores = array_column($products, 'score');
        rsort($scores);
        self::assertSame($scores, array_column($products, 'score'));
        self::assertSame(404, self::$shop->ask('GET', '/products/0/similar')->status);
        self::assertSame(404, self::$shop->ask('GET', '/products/seven/similar')->status);
    }

    public function test_a_product_without_a_vector_is_similar_to_none(): void
    {
        $json = ['Content-Type' => 'application/json'];
        $path = self::$shop->ask('POST', '/products', $json, '{"name":"new","price":1}')->header('location');
        $similar = self::$shop->ask('GET', "$path/similar");
        self::assertSame([200, '[]'], [$similar->status, $similar->body]);
    }

    public function test_a_product_can_be_added(): void
    {
        $json = ['Content-Type' => 'application/json'];
        $answer = self::$shop->ask('POST', '/products', $json, '{"name":"Ünï","price":1.5,"category_id":2}');
        self::assertSame(201, $answer->status);
        $path = (string) $answer->header('location');
        self::assertMatchesRegularExpression('~^/products/100\d$~', $path);
        self::assertSame('Garden', self::$shop->ask('GET', $path)->json()['category']);
        $incomplete = ['{"name":"x"}', '{"name":"","price":1}', '{"name":"x","price":1,"category_id":99}', '[]'];
        foreach ([...$incomplete, ...self::UNFIT] as $body) {
            self::assertSame(422, self::$shop->ask('POST', '/products', $json, $body)->status, $body);
        }
        self::assertSame(400, self::$shop->ask('POST', '/products', $json, '{')->status);
    }

    public function test_without_its_database_the_routes_with_sql_answer_500(): void
    {
        $none = 'sqlite:' . self::$database . '-none';
        $shop = ServerProcess::script([self::SKELETON . '/rawr', 'serve', '--port=0'], ['SHOP_DSN' => $none]);
        try {
            $statuses = [];
            foreach (['/hello/x', '/products', '/products/1', '/products/1/similar', '/categories'] as $target) {
                $statuses[$target] = $shop->ask('GET', $target)->status;
            }
            self::assertSame([200, 500, 500, 500, 500], array_values($statuses));
        } finally {
            $shop->stop();
        }
    }

    public function test_it_runs_under_phps_own_server_too(): void
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $address = (string) stream_socket_get_name($socket, false);
        fclose($socket);
        $streams = [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']];
        // FFI is only for the command line and preloaded code: here it is the fallback that answers.
        $environment = ['SHOP_DSN' => 'sqlite:' . self::$database, 'LYGER_ENGINE' => 'php'] + getenv();
        $command = [PHP_BINARY, '-S', $address, self::SKELETON . '/public/index.php'];
        $process = proc_open($command, $streams, $pipes, null, $environment);
        for ($tries = 0, $body = false; $body === false && $tries < 200; $tries++) {
            usleep(20_000);
            $body = @file_get_contents("http://$address/products/1");
        }
        $rows = (string) file_get_contents("http://$address/products?limit=2");
        $similar = (string) file_get_contents("http://$address/products/3/similar");
        proc_terminate($process);
        proc_close($process);
        self::assertSame(self::$shop->ask('GET', '/products/1')->body, $body);
        self::assertSame(self::$shop->ask('GET', '/products?limit=2')->body, $rows);
        self::assertSame(self::$shop->ask('GET', '/products/3/similar')->body, $similar);
    }
}
