<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use Lyger\Core\Library;
use Lyger\Core\NativeEngine;
use Lyger\Core\PhpEngine;
use Lyger\Exception\EngineMissing;

/** The native engine and pure PHP in one process, for tests that hold the one to the other. */
trait BothEngines
{
    private NativeEngine $native;
    private PhpEngine $php;

    protected function setUp(): void
    {
        if (getenv('LYGER_ENGINE') === 'php') {
            self::markTestSkipped('runs with the library that the other half of the suite is run with');
        }
        try {
            $this->native = NativeEngine::load(new Library());
        } catch (EngineMissing $missing) {
            self::markTestSkipped("runs where the library is: {$missing->getMessage()}");
        }
        $this->php = new PhpEngine('a test');
    }
}
