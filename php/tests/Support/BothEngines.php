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
            self::markTestSkipped('runs in the half with the library');
        }
        try {
            $this->native = NativeEngine::load(new Library());
        } catch (EngineMissing $missing) {
            if (getenv('LYGER_ENGINE') === 'required') {
                throw $missing;
            }
            self::markTestSkipped("runs once make build has made the library: {$missing->getMessage()}");
        }
        $this->php = new PhpEngine('a test');
    }
}
