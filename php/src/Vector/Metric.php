<?php

declare(strict_types=1);

namespace Lyger\Vector;

/** How alike two vectors are. */
enum Metric: string
{
    /** Of the angle between them, -1 to 1: the more alike, the higher. */
    case Cosine = 'cosine';
    /** The scalar product: the more alike, the higher. */
    case Dot = 'dot';
    /** The Euclidean distance: the more alike, the lower. */
    case L2 = 'l2';
}
