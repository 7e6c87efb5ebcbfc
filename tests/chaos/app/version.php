<?php

// Replaced by tests.
return 1;
