<?php

/** An application whose workers share a cache. */

declare(strict_types=1);

use Lyger\Application;
use Lyger\Cache\Store;

$app = Application::create(__DIR__);
$router = $app->router();
$name = static fn (): int => (int) getmypid();

$router->get('/put/{key}/{value}', static function (string $key, string $value) use ($name): array {
    Store::default()->set($key, ['value' => $value, 'by' => $name()]);
    return ['pid' => $name()];
});
$router->get('/get/{key}', static fn (string $key): array => [
    'pid' => $name(),
    'found' => Store::default()->get($key),
]);
// Holds the worker until somebody has put the key.
$router->get('/until/{key}', static function (string $key) use ($name): array {
    Store::default()->increment("waits.$key");
    while (!Store::default()->has($key)) {
        usleep(1_000);
    }
    return ['pid' => $name()];
});
$router->get('/lock', static function () use ($name): array {
    // It outlives its request.
    static $kept = [];
    $kept[] = $lock = Store::default()->lock('one', 60);
    return ['pid' => $name(), 'token' => $lock?->token()];
});
$router->get('/remember', static fn (): array => [
    'pid' => $name(),
    'value' => Store::default()->remember('slow', 60, static function () use ($name): int {
        Store::default()->increment('made');
        usleep(200_000);
        return $name();
    }),
]);
$router->get('/die', static function (): never {
    Store::default()->remember('fatal', 60, static function (): never {
        Store::default()->set('begun', 1);
        posix_kill((int) getmypid(), SIGKILL);
        exit;
    }, patience: 600.0);
    exit;
});
$router->get('/after', static fn (): array => [
    'value' => Store::default()->remember('fatal', 60, static fn (): string => 'made by another'),
]);

return $app;
