<?php

// Replaced by tests.
