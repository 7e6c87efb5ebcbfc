<?php

declare(strict_types=1);

// phpredis against the server on the port given; the last line is "ok".

function same(mixed $expected, mixed $actual): void
{
    if ($expected !== $actual) {
        throw new RuntimeException(var_export($actual, true) . ' instead of ' . var_export($expected, true));
    }
}

$redis = new Redis();
$redis->connect('127.0.0.1', (int) $argv[1]);
same(true, $redis->set("bin\0key", "\xff\0\r\n", ['nx', 'px' => 100000]));
same("\xff\0\r\n", $redis->get("bin\0key"));
same(false, $redis->get('nothing'));
same('', $redis->set('empty', '') ? $redis->get('empty') : null);
same(true, $redis->pttl("bin\0key") > 90000);
same(5, $redis->incrBy('n', 5));
same(5.5, $redis->incrByFloat('n', 0.5));
same(['5.5', false, ''], $redis->mget(['n', 'nothing', 'empty']));
same([true, 'v', 1], $redis->multi()->set('k', 'v')->get('k')->del('k')->exec());
same([true, 'v'], $redis->pipeline()->set('k', 'v')->get('k')->exec());
$redis->watch('k');
(static function () use ($argv): void {
    $other = new Redis();
    $other->connect('127.0.0.1', (int) $argv[1]);
    $other->set('k', 'changed');
})();
same(false, $redis->multi()->set('k', 'mine')->exec());
$redis->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
$cursor = null;
$keys = [];
while ($found = $redis->scan($cursor, 'k*')) {
    $keys = [...$keys, ...$found];
}
same(['k'], $keys);
same('7.0.15', $redis->info('server')['redis_version']);
same(false, $redis->rawCommand('LPUSH', 'list', 'x'));
same(true, str_starts_with($redis->getLastError(), "ERR unknown command 'LPUSH'"));
$large = random_bytes(3_000_000);
$redis->set('large', $large);
same(true, $redis->get('large') === $large);
echo "ok\n";
