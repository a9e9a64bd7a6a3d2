import { Skeleton, Stack } from '@mantine/core';

/** A page that is on its way. */
export function PageSkeleton() {
  return (
    <Stack p={{ base: 16, sm: 32 }} gap="lg" aria-busy>
      <h1 className="visually-hidden">Loading</h1>
      <Skeleton height={28} width={180} />
      <Skeleton height={120} radius="lg" />
      <Skeleton height={320} radius="lg" />
    </Stack>
  );
}
