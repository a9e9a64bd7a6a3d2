import { Alert, Button } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { Problem } from '../api/client';

interface ProblemNoteProps {
  error: unknown;
  onRetry?: () => void;
}

/** What to tell a person about a failure. */
export function problemText(error: unknown): string {
  if (error instanceof Problem) {
    return error.retryAfter ? `${error.message} Try again in ${error.retryAfter} s.` : error.message;
  }
  return error instanceof Error ? error.message : 'Something went wrong.';
}

/** A failure where it happened; announced to screen readers. Renders nothing without one. */
export function ProblemNote({ error, onRetry }: ProblemNoteProps) {
  if (!error) return null;
  return (
    <Alert role="alert" variant="light" color="red" icon={<IconAlertTriangle size={18} aria-hidden />}>
      {problemText(error)}
      {onRetry && (
        <Button size="compact-sm" variant="subtle" color="red" ml="xs" onClick={onRetry}>
          Try again
        </Button>
      )}
    </Alert>
  );
}
