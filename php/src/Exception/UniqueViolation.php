<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** There is such a row already. (A MySQL server that speaks another language than English gives its parent.) */
final class UniqueViolation extends ConstraintViolation
{
}
