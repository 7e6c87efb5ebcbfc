<?php

declare(strict_types=1);

use Lyger\Http\Response;
use Lyger\Routing\Route;
use Shop\CategoryController;
use Shop\ProductController;

Route::get('/hello/{name}', fn (string $name) => Response::json(['hello' => $name]));

Route::group('/products', function (): void {
    Route::get('', [ProductController::class, 'index'])->name('products');
    Route::get('/{id}', [ProductController::class, 'show'])->name('product');
    Route::get('/{id}/similar', [ProductController::class, 'similar']);
    Route::post('', [ProductController::class, 'create']);
});

Route::group('/categories', function (): void {
    Route::get('', [CategoryController::class, 'index']);
    Route::get('/{id}/products', [CategoryController::class, 'products']);
});
