<?php

/** Workers that ask for one key as often as they can: nine gets and a set, again and again. */

declare(strict_types=1);

use Lyger\Application;
use Lyger\Cache\Store;

$app = Application::create(__DIR__);
$app->router()->get('/hammer/{ms}', static function (int $ms): array {
    $cache = Store::default();
    $value = str_repeat('x', 100);
    $operations = 0;
    $start = hrtime(true);
    for ($until = $start + $ms * 1_000_000; hrtime(true) < $until; $operations += 1_000) {
        for ($hundred = 0; $hundred < 100; $hundred++) {
            $cache->set('hot', $value);
            for ($get = 0; $get < 9; $get++) {
                $cache->get('hot');
            }
        }
    }
    return ['pid' => getmypid(), 'per_second' => $operations / (hrtime(true) - $start) * 1e9];
});

return $app;
