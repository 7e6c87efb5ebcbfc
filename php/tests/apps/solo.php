<?php

/** The application of SOLO_APP, or `trouble`, served by one process through the engine, with the flags that `rawr serve` has. */

declare(strict_types=1);

use Lyger\Config;
use Lyger\Console\AppLoader;
use Lyger\Console\Options;
use Lyger\Core\Engine;

require __DIR__ . '/../../autoload.php';

$given = [];
foreach (array_keys(Config::KEYS) as $key) {
    foreach (array_slice($argv, 1) as $argument) {
        [$flag, $value] = explode('=', $argument, 2);
        if ($flag === '--' . strtr($key, '._', '--')) {
            $given[$key] = $value;
        }
    }
}
$config = Config::resolve($given + ['port' => 0]);
Options::sendMessagesToLog($config);
$engine = Engine::getInstance();
$engine->configure($config);
$app = (new AppLoader(null))->load(__DIR__ . '/' . (getenv('SOLO_APP') ?: 'trouble'));
$engine->serve($app->handle(...), $config, static function (int $port): void {
    fwrite(STDOUT, "http://127.0.0.1:$port\n");
});
