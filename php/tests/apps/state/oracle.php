<?php

/** For `php -S`: the superglobals of PHP's own making. */

declare(strict_types=1);

require_once __DIR__ . '/dump.php';

echo json_encode(dump_superglobals());
