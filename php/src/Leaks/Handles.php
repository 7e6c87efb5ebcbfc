<?php

declare(strict_types=1);

namespace Lyger\Leaks;

/** Counts what a process holds of the system: PHP's resources by type, and open descriptors. */
final class Handles
{
    /** @return array<string, Size> by name */
    public static function take(): array
    {
        $sizes = [];
        foreach (get_resources() as $resource) {
            $type = get_resource_type($resource);
            $size = $sizes["resources of type $type"] ??= new Size();
            $size->elements++;
            if ($type === 'stream') {
                $size->example = stream_get_meta_data($resource)['uri'] ?? $size->example;
            }
        }
        $descriptors = new Size();
        // One of them is that of the folder itself, each time.
        foreach (@scandir('/proc/self/fd') ?: [] as $number) {
            $target = @readlink("/proc/self/fd/$number");
            if ($target !== false) {
                $descriptors->elements++;
                // A file's name says more than a socket's number, and the client's own socket may be the last.
                if ($descriptors->example === '' || \str_starts_with($target, '/')) {
                    $descriptors->example = $target;
                }
            }
        }
        return $sizes + ['open descriptors' => $descriptors];
    }
}
