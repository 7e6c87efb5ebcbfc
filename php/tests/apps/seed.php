<?php

/** Seed 000's server, word for word but for the port. */

declare(strict_types=1);

use Lyger\Core\Engine;
use Lyger\Http\Request;

require __DIR__ . '/../../autoload.php';

$socket = stream_socket_server('tcp://127.0.0.1:0');
$port = (int) substr((string) strrchr((string) stream_socket_get_name($socket, false), ':'), 1);
fclose($socket);

fwrite(STDOUT, "http://127.0.0.1:$port\n");
Engine::getInstance()->startServer(function (Request $request) {
    return ['path' => $request->path(), 'n' => (int) $request->query('n')];
}, $port);
fwrite(STDOUT, "after the server\n");
