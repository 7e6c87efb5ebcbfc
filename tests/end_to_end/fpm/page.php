<?php

// The page that php-fpm serves in this test: `?do=` chooses what it does with the engine, and it answers in JSON.

declare(strict_types=1);

use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Exception\LygerException;

require __DIR__ . '/../../../php/autoload.php';

header('Content-Type: application/json');

try {
    $db = Db::connect('sqlite:' . getenv('LYGER_TEST_SQLITE'));
    echo match ($_GET['do'] ?? 'rows') {
        'rows' => $db->json('SELECT id, name, price FROM products WHERE price < ? ORDER BY id', [20.0]),
        'info' => Engine::getInstance()->systemInfo(),
        'pid' => json_encode(getmypid()),
        'remember' => json_encode(Engine::getInstance()->cacheSet('fpm', $_GET['value'])),
        'recall' => json_encode(Engine::getInstance()->cacheGet('fpm')),
        'broken' => $db->json('SELECT id FROM nowhere'),
        // What ffi.enable=preload forbids to everything that wasn't preloaded.
        'cdef' => json_encode(FFI::cdef('int getpid(void);')->getpid()),
    };
} catch (LygerException | FFI\Exception $exception) {
    http_response_code(500);
    echo json_encode(['exception' => $exception::class, 'message' => $exception->getMessage()]);
}
