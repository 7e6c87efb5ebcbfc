<?php

declare(strict_types=1);

namespace Lyger\Http;

/** The answer of a handler that returned nothing: what it echoed, with http_response_code() as under FPM. */
final class Echoed extends Response
{
}
