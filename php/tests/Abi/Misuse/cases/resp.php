<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

const ANY_PORT = '{"listen":"127.0.0.1:0"}';

$port = static fn (Probe $p) => FFI::addr($p->ffi->new('uint16_t', false));
$start = static fn (Probe $p, string $config) => $p->ffi->lyger_resp_start($config, strlen($config), $port($p));

$notRunning = static fn (Closure $call): Closure => static function (Probe $p) use ($call, $start): void {
    $p->gives(Status::ServerNotRunning, $call($p));
    $p->gives(Status::Ok, $start($p, ANY_PORT));
    $p->gives(Status::Ok, $p->ffi->lyger_resp_stop());
    $p->gives(Status::ServerNotRunning, $call($p));
};

return [
    'lyger_resp_start' => [
        'misuse' => static function (Probe $p) use ($port, $start): void {
            $bound = $port($p);
            $p->gives(Status::NullPointer, $p->ffi->lyger_resp_start('{}', 2, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_resp_start(null, 2, $bound));
            $p->gives(Status::TooLong, $p->ffi->lyger_resp_start($p->nowhere(), -1, $bound));
            $p->gives(Status::InvalidUtf8, $start($p, "{\"password\":\"\xff\"}"));
            $all = ['nonsense', '7', '{"listen":true}', '{"listen":"x:1"}', '{"thread":1}', '{"threads":-1}'];
            foreach ($all as $wrong) {
                $p->gives(Status::InvalidConfig, $start($p, $wrong));
            }
            $p->gives(Status::InvalidConfig, $start($p, '{"listen":"[::]:0"}'));
            $taken = stream_socket_server('tcp://127.0.0.1:0');
            $address = (string) stream_socket_get_name($taken, false);
            $p->gives(Status::AddressInUse, $start($p, "{\"listen\":\"$address\"}"));
            $p->gives(Status::Ok, $p->ffi->lyger_resp_start(ANY_PORT, strlen(ANY_PORT), $bound));
            $p->gives(Status::ServerRunning, $start($p, ANY_PORT));
            $client = stream_socket_client("tcp://127.0.0.1:$bound[0]");
            fwrite($client, "PING\r\n");
            $p->check(fread($client, 7) === "+PONG\r\n", 'it serves');
            $p->gives(Status::Ok, $p->ffi->lyger_resp_stop());
            $p->check(fread($client, 1) === '', 'its connections have ended');
        },
        'valid' => static fn (Probe $p) => $start($p, ANY_PORT),
        'child' => Status::WrongProcess,
    ],
    'lyger_resp_address' => [
        'misuse' => static function (Probe $p) use ($start): void {
            $p->gives(Status::ServerNotRunning, $p->ffi->lyger_resp_address($p->buffer, 4096, $p->needed));
            $p->gives(Status::Ok, $start($p, ANY_PORT));
            $p->gives(Status::NullPointer, $p->ffi->lyger_resp_address(null, 4096, $p->needed));
            $p->gives(Status::NullPointer, $p->ffi->lyger_resp_address($p->buffer, 4096, null));
            $p->gives(Status::BufferTooSmall, $p->ffi->lyger_resp_address($p->buffer, 1, $p->needed));
            $p->gives(Status::Ok, $p->ffi->lyger_resp_address($p->buffer, 4096, $p->needed));
            $p->check(str_starts_with($p->written(), '127.0.0.1:'), 'an address');
            $p->gives(Status::Ok, $p->ffi->lyger_resp_stop());
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_resp_address($p->buffer, 4096, $p->needed),
        'child' => Status::WrongProcess,
    ],
    'lyger_resp_stop' => [
        'misuse' => static function (Probe $p) use ($notRunning, $port, $start): void {
            $notRunning(static fn (Probe $p) => $p->ffi->lyger_resp_stop())($p);
            // Of a server that was started with another, whose end is not that of one that was started since.
            $serve = static function () use ($p, $port): void {
                $config = '{"port":0,"resp":' . ANY_PORT . '}';
                $p->gives(Status::Ok, $p->ffi->lyger_server_start($config, strlen($config), $port($p)));
                $p->gives(Status::Ok, $p->ffi->lyger_resp_stop());
            };
            $end = static function () use ($p): void {
                $p->gives(Status::Ok, $p->ffi->lyger_server_stop());
                $p->gives(Status::Ok, $p->ffi->lyger_server_wait(5_000));
            };
            $serve();
            $end();
            $p->gives(Status::ServerNotRunning, $p->ffi->lyger_resp_stop());
            $serve();
            $p->gives(Status::Ok, $start($p, ANY_PORT));
            $end();
            $p->gives(Status::Ok, $p->ffi->lyger_resp_address($p->buffer, 4096, $p->needed));
            $p->gives(Status::Ok, $p->ffi->lyger_resp_stop());
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_resp_stop(),
        'child' => Status::WrongProcess,
    ],
];
