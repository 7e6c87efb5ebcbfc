<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A row breaks a constraint: a foreign key, NOT NULL, CHECK, EXCLUDE; SQLSTATE class 23. */
class ConstraintViolation extends QueryFailed
{
}
