import { ActionIcon, Button, CopyButton as Copier, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';

interface CopyButtonProps {
  value: string;
  /** What is copied: "write key" gives the label "Copy write key". */
  what: string;
  /** Shows the label beside the icon. */
  labelled?: boolean;
}

/** Puts text on the clipboard, and says so. */
export function CopyButton({ value, what, labelled }: CopyButtonProps) {
  return (
    <Copier value={value} timeout={1600}>
      {({ copied, copy }) => {
        const icon = copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />;
        const color = copied ? 'teal' : 'gray';
        if (labelled) {
          return (
            <Button size="xs" variant="default" leftSection={icon} onClick={copy}>
              {copied ? 'Copied' : `Copy ${what}`}
            </Button>
          );
        }
        return (
          <Tooltip label={copied ? 'Copied' : `Copy ${what}`}>
            <ActionIcon
              variant="subtle"
              color={color}
              aria-label={copied ? 'Copied' : `Copy ${what}`}
              onClick={copy}
            >
              {icon}
            </ActionIcon>
          </Tooltip>
        );
      }}
    </Copier>
  );
}
