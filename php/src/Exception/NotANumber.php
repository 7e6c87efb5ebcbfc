<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A value of the cache is no number that can be counted with, or its sum would be none. The value stays. */
final class NotANumber extends LygerException
{
}
