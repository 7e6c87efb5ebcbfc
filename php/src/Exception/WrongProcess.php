<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** The engine was started before a fork: the child cannot use it. */
final class WrongProcess extends LygerException
{
}
