<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** The engine itself failed: a bug in Lyger, worth a report. */
final class EngineFailed extends LygerException
{
}
