<?php

// A worker as small as can be, on the C functions themselves, which tells on stdout what happens to it.
// Arguments: the library, the header, and words of what to do besides ("handler": PHP's own handlers for SIGTERM and
// SIGUSR1; "again": after the server's end, send SIGTERM to itself).

declare(strict_types=1);

[, $library, $header] = $argv;
$wishes = array_slice($argv, 3);
$ffi = FFI::cdef((string) file_get_contents($header), $library);

function tell(string $what): void
{
    fwrite(STDOUT, "$what\n");
    fflush(STDOUT);
}

pcntl_async_signals(true);
if (in_array('handler', $wishes, true)) {
    pcntl_signal(SIGTERM, static fn () => tell('PHP saw SIGTERM'));
    pcntl_signal(SIGUSR1, static fn () => tell('PHP saw SIGUSR1'));
}

$port = $ffi->new('uint16_t');
$config = '{"port":0,"drain_timeout_ms":20000}';
if ($ffi->lyger_server_start($config, strlen($config), FFI::addr($port)) !== 0) {
    tell('no server');
    exit(1);
}
tell("port $port->cdata");

$head = $ffi->new('lyger_request_head');
$line = $ffi->new('char[65536]');
$needed = $ffi->new('size_t');
while (true) {
    // A minute: only a signal or a request can end the wait within the test's patience.
    $status = $ffi->lyger_worker_next(60_000, FFI::addr($head), $line, 65536, FFI::addr($needed));
    if ($status === 10) {
        tell('INTERRUPTED');
        continue;
    }
    if ($status === 11) {
        tell('STOPPED');
        break;
    }
    if ($status !== 0) {
        tell("status $status");
        exit(1);
    }
    $path = FFI::string(FFI::addr($line[$head->method_len]), $head->path_len);
    tell("request $path");
    if (str_starts_with($path, '/busy/')) {
        $until = microtime(true) + (float) substr($path, 6);
        while (microtime(true) < $until) {
            usleep(10_000);
        }
    }
    $ffi->lyger_request_respond($head->id, 200, '', 0, $path, strlen($path));
}
tell('wait ' . $ffi->lyger_server_wait(20_000));
if (in_array('again', $wishes, true)) {
    posix_kill(posix_getpid(), SIGTERM);
    sleep(20);
    tell('survived');
}
