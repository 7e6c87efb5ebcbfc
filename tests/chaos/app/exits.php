<?php

/** exit() from everywhere that PHP lets it be called from. */

declare(strict_types=1);

use Lyger\Routing\Route;

final class ExitsWhenDestroyed
{
    public function __construct(private readonly string $token)
    {
    }

    public function __destruct()
    {
        exit("destroyed {$this->token}");
    }
}

Route::get('/exit/{how}/{token}', static function (string $how, string $token): mixed {
    note("exit $token");
    switch ($how) {
        case 'output-callback':
            ob_start(static fn (string $text): string => exit("$text $token"));
            echo 'called back';
            ob_end_flush();
            return 'not reached';
        case 'output-callback-at-the-end':
            ob_start(static fn (string $text): string => exit("$text $token"));
            echo 'called back';
            return null;
        case 'destructor':
            $object = new ExitsWhenDestroyed($token);
            $object = null;
            return 'not reached';
        case 'destructor-at-the-end':
            $object = new ExitsWhenDestroyed($token);
            return null;
        case 'destructor-after-exit':
            $object = new ExitsWhenDestroyed($token);
            exit('exited and ');
        case 'error-handler':
            set_error_handler(static fn (): never => exit("handled $token"));
            echo $undefined;
            return 'not reached';
        case 'generator':
            $steps = (static function () use ($token): Generator {
                try {
                    yield 1;
                } finally {
                    exit("finally $token");
                }
            })();
            $steps->current();
            unset($steps);
            return 'not reached';
        case 'array-map':
            return array_map(static fn (): never => exit("mapped $token"), [1]);
        case 'shutdown-function':
            // Runs when the worker ends, which is after this test.
            register_shutdown_function(static function () use ($token): never {
                note("shut-$token");
                die(7);
            });
            return "registered $token";
    }
    return 'unknown';
});
