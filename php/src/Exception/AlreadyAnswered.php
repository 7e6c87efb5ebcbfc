<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A request was answered twice. */
final class AlreadyAnswered extends LygerException
{
}
