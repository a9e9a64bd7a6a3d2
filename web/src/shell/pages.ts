import { lazy } from 'react';

// Each page is a part of the build that is loaded when it is first opened.
export const HomePage = lazy(async () => ({ default: (await import('../home/HomePage')).HomePage }));
export const InsightsPage = lazy(async () => ({
  default: (await import('../insights/InsightsPage')).InsightsPage,
}));
export const LogPage = lazy(async () => ({ default: (await import('../log/LogPage')).LogPage }));
export const SettingsPage = lazy(async () => ({
  default: (await import('../settings/SettingsPage')).SettingsPage,
}));
