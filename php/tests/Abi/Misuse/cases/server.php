<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

const REQUEST_TIMEOUT_MS = 5_000;

$port = static fn (Probe $p) => FFI::addr($p->ffi->new('uint16_t', false));
$head = static fn (Probe $p) => FFI::addr($p->ffi->new('lyger_request_head', false));

// Starts a server, lets a client ask, takes the request, hands over its id, and ends the server.
$withRequest = static fn (Closure $body): Closure => static function (Probe $p) use ($body, $port, $head): void {
    $bound = $port($p);
    $p->gives(Status::Ok, $p->ffi->lyger_server_start('{"port":0}', 10, $bound));
    $client = stream_socket_client("tcp://127.0.0.1:$bound[0]");
    fwrite($client, "POST /p?q HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n\0\xff");
    $taken = $head($p);
    $status = $p->ffi->lyger_worker_next(REQUEST_TIMEOUT_MS, $taken, $p->buffer, 4096, $p->needed);
    $p->gives(Status::Ok, $status);
    $p->check($p->written() === 'POST/pq', 'method, path and query');
    $body($p, $taken->id);
    // Whatever the body did, the id is answered by now or never will be.
    $p->ffi->lyger_request_pass($taken->id);
    foreach ([$taken->id, ...Probe::forged($taken->id)] as $id) {
        $p->gives(Status::InvalidHandle, $p->ffi->lyger_request_pass($id));
    }
    fclose($client);
    $p->gives(Status::Ok, $p->ffi->lyger_server_stop());
    $p->gives(Status::Ok, $p->ffi->lyger_server_wait(REQUEST_TIMEOUT_MS));
};

$notRunning = static fn (Closure $call): Closure => static function (Probe $p) use ($call, $port): void {
    $call($p);
    $p->leaves(Status::ServerNotRunning, true);
    $p->gives(Status::Ok, $p->ffi->lyger_server_start('{"port":0}', 10, $port($p)));
    $p->gives(Status::Ok, $p->ffi->lyger_server_stop());
    $call($p);
    $p->ffi->lyger_server_wait(REQUEST_TIMEOUT_MS);
    $call($p);
    $p->leaves(Status::ServerNotRunning, true);
};

return [
    'lyger_start_server' => [
        'misuse' => static function (Probe $p) use ($port): void {
            $taken = stream_socket_server('tcp://127.0.0.1:0');
            $address = (string) stream_socket_get_name($taken, false);
            $p->ffi->lyger_start_server((int) substr((string) strrchr($address, ':'), 1));
            $p->leaves(Status::AddressInUse, true);
            $p->ffi->lyger_start_server(0);
            $p->leaves(Status::Ok, true);
            $p->ffi->lyger_start_server(0);
            $p->leaves(Status::ServerRunning, true);
            $p->gives(Status::Ok, $p->ffi->lyger_server_stop());
            $p->gives(Status::Ok, $p->ffi->lyger_server_wait(REQUEST_TIMEOUT_MS));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_start_server(0),
        'child' => Status::WrongProcess,
    ],
    'lyger_stop_server' => [
        'misuse' => $notRunning(static fn (Probe $p) => $p->ffi->lyger_stop_server()),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_stop_server(),
        'child' => Status::WrongProcess,
    ],
    'lyger_server_stop' => [
        'misuse' => $notRunning(static fn (Probe $p) => $p->ffi->lyger_server_stop()),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_server_stop(),
        'child' => Status::WrongProcess,
    ],
    'lyger_server_wait' => [
        'misuse' => static function (Probe $p) use ($port): void {
            $p->gives(Status::ServerNotRunning, $p->ffi->lyger_server_wait(-1));
            $p->gives(Status::Ok, $p->ffi->lyger_server_start('{"port":0}', 10, $port($p)));
            $p->gives(Status::Timeout, $p->ffi->lyger_server_wait(10));
            $p->gives(Status::Ok, $p->ffi->lyger_server_stop());
            $p->gives(Status::Ok, $p->ffi->lyger_server_wait(REQUEST_TIMEOUT_MS));
            $p->gives(Status::ServerNotRunning, $p->ffi->lyger_server_wait(0));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_server_wait(0),
        'child' => Status::WrongProcess,
    ],
    'lyger_server_start' => [
        'misuse' => static function (Probe $p) use ($port): void {
            $bound = $port($p);
            $p->gives(Status::NullPointer, $p->ffi->lyger_server_start('{}', 2, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_server_start(null, 2, $bound));
            $p->gives(Status::TooLong, $p->ffi->lyger_server_start($p->nowhere(), (1 << 20) + 1, $bound));
            $p->gives(Status::TooLong, $p->ffi->lyger_server_start($p->nowhere(), -1, $bound));
            $p->gives(Status::InvalidUtf8, $p->ffi->lyger_server_start("\xff", 1, $bound));
            foreach (['[]', "{}\0", '{"prot":1}', '{"port":-1}', '{"db":{"x":1}}', '{"host":"nowhere"}'] as $json) {
                $p->gives(Status::InvalidConfig, $p->ffi->lyger_server_start($json, strlen($json), $bound));
                $p->check($bound[0] === 0, 'no port on an error');
            }
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_server_start('{"port":0}', 10, $port($p)),
        'child' => Status::WrongProcess,
    ],
    'lyger_worker_next' => [
        'misuse' => static function (Probe $p) use ($withRequest, $head): void {
            $taken = $head($p);
            $next = static fn (...$arguments): int => $p->ffi->lyger_worker_next(...$arguments);
            $p->gives(Status::ServerNotRunning, $next(0, $taken, $p->buffer, 4096, $p->needed));
            $withRequest(static function (Probe $p) use ($taken, $next): void {
                $p->gives(Status::NullPointer, $next(0, null, $p->buffer, 4096, $p->needed));
                $p->gives(Status::NullPointer, $next(0, $taken, null, 1, $p->needed));
                $p->gives(Status::NullPointer, $next(0, $taken, $p->buffer, 4096, null));
                $p->gives(Status::TooLong, $next(0, $taken, $p->buffer, -1, $p->needed));
                $p->gives(Status::Timeout, $next(1, $taken, $p->buffer, 4096, $p->needed));
            })($p);
        },
        'valid' => static fn (Probe $p)
            => $p->ffi->lyger_worker_next(0, $head($p), $p->buffer, 4096, $p->needed),
        'child' => Status::WrongProcess,
    ],
    'lyger_request_read' => [
        'misuse' => $withRequest(static function (Probe $p, int $id): void {
            $read = static fn (int $id, int $part, ?string $name = null): int
                => $p->ffi->lyger_request_read($id, $part, $name, strlen($name ?? ''), $p->buffer, 4096, $p->needed);
            $p->gives(Status::Ok, $read($id, 6));
            $p->check($p->written() === "\0\xff", 'the body, any byte');
            $p->gives(Status::NotFound, $read($id, 4, "a\0\xff"));
            $p->gives(Status::NotFound, $read($id, 4));
            foreach ([0, 11, -1] as $part) {
                $p->gives(Status::InvalidArgument, $read($id, $part));
            }
            $ffi = $p->ffi;
            $p->gives(Status::NullPointer, $ffi->lyger_request_read($id, 4, null, 1, $p->buffer, 4096, $p->needed));
            $p->gives(Status::NullPointer, $ffi->lyger_request_read($id, 1, null, 0, null, 1, $p->needed));
            $p->gives(Status::NullPointer, $ffi->lyger_request_read($id, 1, null, 0, $p->buffer, 4096, null));
            $far = $p->nowhere();
            $p->gives(Status::TooLong, $ffi->lyger_request_read($id, 4, $far, -1, $p->buffer, 4096, $p->needed));
            $p->gives(Status::TooLong, $ffi->lyger_request_read($id, 1, null, 0, $p->buffer, -1, $p->needed));
            $p->gives(Status::BufferTooSmall, $ffi->lyger_request_read($id, 1, null, 0, null, 0, $p->needed));
            foreach (Probe::forged($id) as $forged) {
                $p->gives(Status::InvalidHandle, $read($forged, 1));
            }
            $p->gives(Status::Ok, $ffi->lyger_request_pass($id));
            $p->gives(Status::InvalidHandle, $read($id, 1));
        }),
        'valid' => static fn (Probe $p)
            => $p->ffi->lyger_request_read(1, 1, null, 0, $p->buffer, 4096, $p->needed),
        'child' => Status::WrongProcess,
    ],
    'lyger_request_respond' => [
        'misuse' => $withRequest(static function (Probe $p, int $id): void {
            $respond = static fn (int $id, int $status, string $headers = ''): int
                => $p->ffi->lyger_request_respond($id, $status, $headers, strlen($headers), "a\0\xff", 3);
            foreach ([0, 199, 600, 65_535, -1] as $status) {
                $p->gives(Status::InvalidArgument, $respond($id, $status));
            }
            foreach (["x\0a\r\nset-cookie: b\0", "x\0open", "\0v\0", "x y\0v\0", "x\0a\n\0"] as $headers) {
                $p->gives(Status::InvalidArgument, $respond($id, 200, $headers));
            }
            $ffi = $p->ffi;
            $p->gives(Status::NullPointer, $ffi->lyger_request_respond($id, 200, null, 1, null, 0));
            $p->gives(Status::NullPointer, $ffi->lyger_request_respond($id, 200, null, 0, null, 1));
            $p->gives(Status::TooLong, $ffi->lyger_request_respond($id, 200, $p->nowhere(), (1 << 20) + 1, null, 0));
            $p->gives(Status::TooLong, $ffi->lyger_request_respond($id, 200, null, 0, $p->nowhere(), (1 << 30) + 1));
            $p->gives(Status::TooLong, $ffi->lyger_request_respond($id, 200, null, -1, null, -1));
            foreach (Probe::forged($id) as $forged) {
                $p->gives(Status::InvalidHandle, $respond($forged, 200));
            }
            $p->gives(Status::Ok, $respond($id, 200, "x-a\0b\0"));
            $p->gives(Status::InvalidHandle, $respond($id, 200));
        }),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_request_respond(1, 200, null, 0, null, 0),
        'child' => Status::WrongProcess,
    ],
    'lyger_request_respond_sql' => [
        'misuse' => $withRequest(static function (Probe $p, int $id): void {
            $far = $p->nowhere();
            $dsn = Probe::DSN;
            $sql = static fn (...$arguments): int
                => $p->ffi->lyger_request_respond_sql($id, ...[...$arguments, null, 0]);
            $shaped = static fn (mixed $options, int $bytes): int => $p->ffi
                ->lyger_request_respond_sql($id, 200, null, 0, $dsn, 15, 'x', 1, null, 0, $options, $bytes);
            $p->gives(Status::NullPointer, $shaped(null, 1));
            $p->gives(Status::TooLong, $shaped($far, (64 << 10) + 1));
            $p->gives(Status::InvalidArgument, $shaped("\xff", 1));
            $p->gives(Status::InvalidArgument, $shaped('{"shape":"star"}', 16));
            $p->gives(Status::NullPointer, $sql(200, null, 1, $dsn, 15, 'x', 1, null, 0));
            $p->gives(Status::NullPointer, $sql(200, null, 0, null, 1, 'x', 1, null, 0));
            $p->gives(Status::NullPointer, $sql(200, null, 0, $dsn, 15, null, 1, null, 0));
            $p->gives(Status::NullPointer, $sql(200, null, 0, $dsn, 15, 'x', 1, null, 1));
            $p->gives(Status::TooLong, $sql(200, $far, -1, $dsn, 15, 'x', 1, null, 0));
            $p->gives(Status::TooLong, $sql(200, null, 0, $far, 4097, 'x', 1, null, 0));
            $p->gives(Status::TooLong, $sql(200, null, 0, $dsn, 15, $far, (16 << 20) + 1, null, 0));
            $p->gives(Status::TooLong, $sql(200, null, 0, $dsn, 15, 'x', 1, $p->nowhere('uint8_t'), (64 << 20) + 1));
            $p->gives(Status::InvalidUtf8, $sql(200, null, 0, "\xff", 1, 'x', 1, null, 0));
            $p->gives(Status::InvalidUtf8, $sql(200, null, 0, $dsn, 15, "\xff", 1, null, 0));
            $p->gives(Status::InvalidArgument, $sql(200, null, 0, $dsn, 15, "x\0", 2, null, 0));
            $p->gives(Status::InvalidArgument, $sql(0, null, 0, $dsn, 15, 'x', 1, null, 0));
            $p->gives(Status::InvalidArgument, $sql(200, "x\0open", 6, $dsn, 15, 'x', 1, null, 0));
            foreach (Probe::forged($id) as $forged) {
                $status = $p->ffi->lyger_request_respond_sql($forged, 200, null, 0, $dsn, 15, 'x', 1, null, 0, null, 0);
                $p->gives(Status::InvalidHandle, $status);
            }
            // What only the database can refuse is the client's to hear.
            $p->gives(Status::Ok, $sql(200, null, 0, $dsn, 15, 'SELEC ?', 7, $p->bytes("\xff"), 1));
            $p->gives(Status::InvalidHandle, $sql(200, null, 0, $dsn, 15, 'x', 1, null, 0));
        }),
        'valid' => static fn (Probe $p)
            => $p->ffi->lyger_request_respond_sql(1, 200, null, 0, 'x', 1, 'x', 1, null, 0, null, 0),
        'child' => Status::WrongProcess,
    ],
    'lyger_request_enter' => [
        'misuse' => $withRequest(static function (Probe $p, int $id): void {
            $p->gives(Status::Ok, $p->ffi->lyger_request_enter($id));
            $p->gives(Status::Ok, $p->ffi->lyger_request_enter($id));
            foreach (Probe::forged($id) as $forged) {
                $p->gives(Status::InvalidHandle, $p->ffi->lyger_request_enter($forged));
            }
            $p->gives(Status::Ok, $p->ffi->lyger_request_pass($id));
            $p->gives(Status::InvalidHandle, $p->ffi->lyger_request_enter($id));
        }),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_request_enter(1),
        'child' => Status::WrongProcess,
    ],
    'lyger_request_once' => [
        'misuse' => $withRequest(static function (Probe $p, int $id): void {
            $p->gives(Status::Ok, $p->ffi->lyger_request_once($id));
            $p->gives(Status::Ok, $p->ffi->lyger_request_once($id));
            foreach (Probe::forged($id) as $forged) {
                $p->gives(Status::InvalidHandle, $p->ffi->lyger_request_once($forged));
            }
            $p->gives(Status::Ok, $p->ffi->lyger_request_pass($id));
            $p->gives(Status::InvalidHandle, $p->ffi->lyger_request_once($id));
        }),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_request_once(1),
        'child' => Status::WrongProcess,
    ],
    'lyger_request_pass' => [
        'misuse' => $withRequest(static function (Probe $p, int $id): void {
            $p->gives(Status::Ok, $p->ffi->lyger_request_pass($id));
        }),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_request_pass(1),
        'child' => Status::WrongProcess,
    ],
];
