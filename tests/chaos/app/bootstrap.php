<?php

/** The application that the chaos tests serve: it echoes, waits, and dies in every way it is asked for. */

declare(strict_types=1);

use Lyger\Application;

// A test may have the boot take long, or fail.
require __DIR__ . '/boot.php';

return Application::create(__DIR__)->routes(__DIR__ . '/routes.php');
