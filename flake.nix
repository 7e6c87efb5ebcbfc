# Lyger for people who use Nix: the library with and without the Zig kernels, and the shells to work on it.
#
# There is no lock file: none could be made where this was written, so the input is pinned to a release branch of
# nixpkgs, and `nix flake lock` makes one. What is tested is this file's shape (tests/support/flake-shape), not the
# build of its packages.
{
  description = "Lyger: a PHP application server and framework with a native engine";

  # The first release that carries both Zig 0.16 and the Rust that sqlx asks for.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      eachSystem = use: nixpkgs.lib.genAttrs systems (system: use nixpkgs.legacyPackages.${system});
      manifest = builtins.fromTOML (builtins.readFile ./Cargo.toml);

      # build.zig is written for exactly this one.
      zigFor = pkgs: pkgs.zig_0_16;

      # FFI is not among the extensions that nixpkgs enables by itself. pdo_* is the pure PHP fallback's.
      phpFor =
        pkgs:
        pkgs.php.buildEnv {
          extensions =
            { enabled, all }:
            enabled
            ++ [
              all.ffi
              all.pcntl
              all.posix
              all.pdo_sqlite
              all.pdo_pgsql
              all.pdo_mysql
            ];
          extraConfig = "ffi.enable = preload";
        };

      library =
        pkgs:
        {
          zigKernels,
        }:
        pkgs.rustPlatform.buildRustPackage {
          pname = if zigKernels then "lyger" else "lyger-pure-rust";
          inherit (manifest.package) version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          buildFeatures = if zigKernels then [ "zig-kernels" "zig-server" ] else [ ];
          nativeBuildInputs =
            if zigKernels then
              [
                (zigFor pkgs)
                pkgs.rustPlatform.bindgenHook
              ]
            else
              [ ];
          # build.rs runs `zig build`; nixpkgs' hook would run it for the whole package.
          dontUseZigConfigure = true;
          dontUseZigBuild = true;
          dontUseZigCheck = true;
          dontUseZigInstall = true;
          # The tests start PostgreSQL and MariaDB: `make test` in the development shell runs them.
          doCheck = false;
          meta = {
            inherit (manifest.package) description;
            license = pkgs.lib.licenses.mit;
          };
        };

      # What every shell has: Rust, PHP, the databases, and what the tests and benches drive them with.
      common = pkgs: [
        pkgs.cargo
        pkgs.rustc
        pkgs.rustfmt
        pkgs.clippy
        (phpFor pkgs)
        pkgs.php.packages.composer
        pkgs.postgresql
        pkgs.mariadb
        pkgs.sqlite
        pkgs.redis
        pkgs.nginx
        pkgs.wrk
        pkgs.curl
        pkgs.shellcheck
        pkgs.gnumake
      ];
    in
    {
      packages = eachSystem (pkgs: {
        default = library pkgs { zigKernels = true; };
        pure-rust = library pkgs { zigKernels = false; };
      });

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = common pkgs ++ [ (zigFor pkgs) ];
          LYGER_ZIG = "${zigFor pkgs}/bin/zig";
          LIBCLANG_PATH = "${pkgs.llvmPackages.libclang.lib}/lib";
        };
        no-zig = pkgs.mkShell { packages = common pkgs; };
      });
    };
}
