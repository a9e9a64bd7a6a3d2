import { Drawer, Modal } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './Dialog.module.css';

interface DialogProps {
  opened: boolean;
  onClose: () => void;
  title: string;
  /** Keeps a slip of the pointer from closing what cannot be shown again. */
  sticky?: boolean;
  children: ReactNode;
}

// Mantine's own headers are banner landmarks, of which a page should have one.

/** Asks for something before all else goes on. */
export function Dialog({ opened, onClose, title, sticky, children }: DialogProps) {
  return (
    <Modal.Root
      opened={opened}
      onClose={onClose}
      centered
      closeOnClickOutside={!sticky}
      closeOnEscape={!sticky}
    >
      <Modal.Overlay backgroundOpacity={0.4} />
      <Modal.Content radius="lg">
        <div className={classes.header}>
          <Modal.Title className={classes.title}>{title}</Modal.Title>
          <Modal.CloseButton aria-label="Close" />
        </div>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

interface SidePanelProps extends Omit<DialogProps, 'sticky'> {
  /** From below, as on a phone, instead of from the right. */
  fromBelow: boolean;
}

/** Shows one thing of a list in full, beside the list. */
export function SidePanel({ opened, onClose, title, fromBelow, children }: SidePanelProps) {
  return (
    <Drawer.Root
      opened={opened}
      onClose={onClose}
      position={fromBelow ? 'bottom' : 'right'}
      size={fromBelow ? '92%' : 560}
    >
      <Drawer.Overlay backgroundOpacity={0.25} />
      <Drawer.Content>
        <div className={classes.header} data-line>
          <Drawer.Title className={classes.title}>{title}</Drawer.Title>
          <Drawer.CloseButton aria-label="Close" />
        </div>
        <Drawer.Body>{children}</Drawer.Body>
      </Drawer.Content>
    </Drawer.Root>
  );
}
