"""What the tests share: servers, jobs, containers and registries that end with the test, and pictures to feed them."""
